"""The page at `/`: what runs here, and where its interfaces are."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Burnish</title>
<style>
body {{ font: 16px/1.5 system-ui; max-width: 42rem; margin: 4rem auto; padding: 0 1rem; }}
code {{ background: #eee; padding: .1em .3em; }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #111; color: #ddd; }}
  code {{ background: #333; }}
  a {{ color: #8bf; }}
}}
</style>
<h1>Burnish is running</h1>
<p>Train a model with your reward function, deploy the checkpoint, call it with the OpenAI SDK.</p>
<ul>
<li>GraphQL and its explorer: <a href="/graphql">{base}/graphql</a>
<li>REST: <code>{base}/v1</code>, its reference: <a href="/docs">{base}/docs</a>, its description:
  <a href="/v1/openapi.json">{base}/v1/openapi.json</a>
<li>OpenAI SDK: <code>base_url="{base}/v1"</code>
<li>Health: <a href="/health">{base}/health</a>
</ul>
<p>The first key is in <code>credentials.json</code> of this installation's home. Try <code>burnish jobs list</code>.</p>
</html>
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


async def page(request: Request) -> Response:
    base = request.app.state.platform.core.settings.base_url
    headers = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(PAGE.format(base=escape(base)), headers=headers)
