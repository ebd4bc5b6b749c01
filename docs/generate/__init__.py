"""The pages of docs/reference that are made from schemas: `python -m docs.generate` writes them anew."""
