"""GraphQL: the native interface. Thin fields over the resolvers."""
