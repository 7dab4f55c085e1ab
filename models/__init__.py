"""The tables, one file per noun, and the verbs that both resolvers and engines need."""
