#!/bin/sh
# Fetch the prebuilt file of the reference page from npm, its licences in front. Needed only to take a newer version; README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

version=2.5.4
npm pack --silent "redoc@$version" >/dev/null && tar xzf ./*.tgz
# The one thing that it would load from another host is the picture of a logo.
{
    printf '/*! redoc@%s\n' "$version" && cat package/LICENSE && printf '*/\n'
    cat package/bundles/redoc.standalone.js.LICENSE.txt package/bundles/redoc.standalone.js
} | sed -e '/^\/\/# sourceMappingURL=/d' -e 's#https://cdn\.redoc\.ly/[^"]*#data:,#g' >"$here/redoc.js"
