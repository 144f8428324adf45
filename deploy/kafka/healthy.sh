#!/usr/bin/env bash
# Exit 0 when the broker serves. Its port opens early; an answer to "which API versions?" comes when it is ready.
# Kafka's own tools would start a Java machine every few seconds for the same question.
exec 3<>/dev/tcp/127.0.0.1/9092 || exit 1
printf '\0\0\0\012\0\022\0\0\0\0\0\001\377\377' >&3
[ "$(timeout 4 head -c 4 <&3 | wc -c)" -eq 4 ]
