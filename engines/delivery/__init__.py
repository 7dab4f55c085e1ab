"""Taking a trained model to where its job wants it, besides the platform's own storage."""
