#!/bin/sh
# Make inter-latin.woff2 of Inter's variable font: the weights and characters that the dashboard writes, nothing else.
# usage: subset.sh inter-latin-wght-normal.woff2   (of @fontsource-variable/inter 5.3.0; needs fonttools and brotli of PyPI)
set -eu
cd "$(dirname "$0")"
cut=$(mktemp --suffix=.ttf)
trap 'rm -f "$cut"' EXIT
fonttools varLib.instancer -q "$1" wght=400:600 -o "$cut"
pyftsubset "$cut" --no-hinting --desubroutinize --flavor=woff2 --output-file=inter-latin.woff2 \
  --unicodes="U+0020-007E,U+00A0-00FF,U+2013,U+2014,U+2018,U+2019,U+201C,U+201D,U+2022,U+2026,U+2190-2193,U+2212,U+221E" \
  --layout-features="kern,ccmp,calt,tnum,cv05,cv11,ss03"
