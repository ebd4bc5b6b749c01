"""The HTTP service: `app.create_app` builds it, `serve.serve` runs it."""
