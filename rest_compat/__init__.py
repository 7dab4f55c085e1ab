"""The REST dialects of existing clients, answered from the same resolvers as GraphQL."""
