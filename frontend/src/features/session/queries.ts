import { graphql } from "@/lib/graphql";

export const SignInMutation = graphql(`
  mutation SignIn($input: SignInInput!) {
    signIn(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      session {
        id
      }
    }
  }
`);

/** Whether somebody who came by a link should be asked for a password. */
export const HasPasswordQuery = graphql(`
  query HasPassword {
    viewer {
      account {
        id
        slug
        hasPassword
      }
    }
  }
`);

export const SetPasswordMutation = graphql(`
  mutation SetPassword($input: SetPasswordInput!) {
    setPassword(input: $input) {
      errors {
        code
        message
        path
        hint
      }
    }
  }
`);

export const CliViewerQuery = graphql(`
  query CliViewer {
    viewer {
      account {
        id
        slug
      }
      apiKey {
        id
        scopes
      }
    }
  }
`);

export const CliKeyMutation = graphql(`
  mutation CliKey($input: ApiKeyInput!) {
    createApiKey(input: $input) {
      errors {
        message
        hint
      }
      apiKey {
        id
      }
      secret
    }
  }
`);

export const CliRevokeMutation = graphql(`
  mutation CliRevoke($id: ID!) {
    revokeApiKey(input: { id: $id }) {
      errors {
        message
      }
    }
  }
`);
