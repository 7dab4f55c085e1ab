import { graphql } from "@/lib/graphql";

export const AccountQuery = graphql(`
  query SettingsAccount {
    viewer {
      account {
        id
        slug
        isOperator
        email
        hasPassword
        billingMode
        stripeCustomerId
        createdAt
        balance {
          amount
        }
        available {
          amount
        }
      }
      session {
        id
        signedInWith
        expiresAt
      }
    }
    rateLimit {
      limit
      remaining
      used
      resetAt
    }
  }
`);

export const KeysQuery = graphql(`
  query ApiKeys($first: Int!, $after: Cursor, $search: String, $active: Boolean!) {
    apiKeys(first: $first, after: $after, search: $search, active: $active) {
      nodes {
        id
        name
        prefix
        scopes
        inferenceRequestsPerMinute
        inferenceTokensPerMinute
        createdAt
        expiresAt
        lastUsedAt
        revokedAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const MineQuery = graphql(`
  query MyScopes {
    viewer {
      apiKey {
        id
        scopes
      }
    }
  }
`);

export const CreateKeyMutation = graphql(`
  mutation CreateApiKey($input: ApiKeyInput!) {
    createApiKey(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      apiKey {
        id
        name
      }
      secret
    }
  }
`);

export const RevokeKeyMutation = graphql(`
  mutation RevokeApiKey($id: ID!) {
    revokeApiKey(input: { id: $id }) {
      errors {
        message
      }
      apiKey {
        id
        revokedAt
      }
    }
  }
`);

export const SessionsQuery = graphql(`
  query Sessions($first: Int!, $after: Cursor) {
    sessions(first: $first, after: $after) {
      nodes {
        id
        signedInWith
        userAgent
        createdAt
        expiresAt
        lastUsedAt
        isCurrent
        apiKey {
          id
          name
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const RevokeSessionMutation = graphql(`
  mutation RevokeSession($id: ID!) {
    revokeSession(input: { id: $id }) {
      errors {
        message
      }
      session {
        id
        revokedAt
      }
    }
  }
`);

export const SshKeysQuery = graphql(`
  query SshKeys($first: Int!, $after: Cursor) {
    sshKeys(first: $first, after: $after) {
      nodes {
        id
        name
        provider
        publicKey
        fingerprint
        createdAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

export const CreateSshKeyMutation = graphql(`
  mutation CreateSshKey($input: SshKeyInput!) {
    createSshKey(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      sshKey {
        id
      }
    }
  }
`);

export const DeleteSshKeyMutation = graphql(`
  mutation DeleteSshKey($id: ID!) {
    deleteSshKey(input: { id: $id }) {
      errors {
        message
      }
      sshKey {
        id
      }
    }
  }
`);

export const IntegrationsQuery = graphql(`
  query Integrations {
    integrations {
      provider
      configured
      keyPrefix
      updatedAt
    }
  }
`);

export const SetIntegrationMutation = graphql(`
  mutation SetIntegration($input: SetIntegrationInput!) {
    setIntegration(input: $input) {
      errors {
        code
        message
        path
        hint
      }
      integration {
        provider
        configured
      }
    }
  }
`);

export const RemoveIntegrationMutation = graphql(`
  mutation RemoveIntegration($input: RemoveIntegrationInput!) {
    removeIntegration(input: $input) {
      errors {
        message
      }
      integration {
        provider
        configured
      }
    }
  }
`);

export const AuditQuery = graphql(`
  query Audit($first: Int!, $after: Cursor, $filter: AuditFilter) {
    auditLog(first: $first, after: $after, filter: $filter) {
      nodes {
        id
        actor
        actorName
        action
        resourceId
        requestId
        details
        createdAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);
