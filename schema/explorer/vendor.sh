#!/bin/sh
# Fetch the prebuilt files of the explorer from npm, each with its licence in front. Needed only to take newer versions; README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

take() { # package@version, file in it, licence in it, name here
    mkdir part && npm pack --silent "$1" >/dev/null && tar xzf ./*.tgz -C part --strip-components=1
    { printf '/*! %s\n' "$1"; cat "part/$3"; printf '*/\n'; cat "part/$2"; } | sed '/^\/\/# sourceMappingURL=/d' >"$4"
    rm -rf part ./*.tgz
}

take react@18.3.1 umd/react.production.min.js LICENSE react.js
take react-dom@18.3.1 umd/react-dom.production.min.js LICENSE react-dom.js
take graphql-ws@6.4.2 umd/graphql-ws.min.js LICENSE.md graphql-ws.js
take graphiql@4.1.2 graphiql.min.js LICENSE graphiql.js
take graphiql@4.1.2 graphiql.min.css LICENSE graphiql.css
# Its embedded fonts are nine tenths of the stylesheet; the browser's own do.
python3 - <<'PYTHON'
import re, pathlib
css = pathlib.Path("graphiql.css")
css.write_text(re.sub(r"@font-face\s*\{[^}]*\}", "", css.read_text()))
PYTHON
mv ./*.js ./*.css "$here/"
