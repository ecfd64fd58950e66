# A little MCP server for tests, in nothing but the shell's own words. MODE says what it is.
say() { printf '%s\n' "$1"; }
result() { say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$1}"; }
error() { say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"error\":{\"code\":$1,\"message\":\"no\"}}"; }
echo "started $MODE" >&2
while IFS= read -r line; do
  rest=${line#*\"id\":}; id=${rest%%[,\}]*}
  case "$line" in
  *'"server/discover"'*)
    case "$MODE" in
    modern) result '{"supportedVersions":["2026-07-28"],"capabilities":{}}' ;;
    silent | late) ;;
    dies_at_discover) exit 1 ;;
    *) error -32601 ;;
    esac ;;
  *'"initialize"'*)
    case "$MODE" in
    modern) error -32022 ;;
    late) say "{\"jsonrpc\":\"2.0\",\"id\":$id,\"error\":{\"code\":-32022,\"message\":\"no\",\"data\":{\"supported\":[\"2026-07-28\"]}}}" ;;
    never) exit 3 ;;
    slow) /bin/sleep 0.4; result '{"protocolVersion":"2025-06-18","capabilities":{}}' ;;
    *) result '{"protocolVersion":"2025-06-18","capabilities":{"resources":{"subscribe":true},"logging":{}},"serverInfo":{"name":"s"}}' ;;
    esac ;;
  *'"notifications/cancelled"'*) cancelled=$line ;;
  *'"notifications/'*) ;;
  *'"subscriptions/listen"'*)
    say '{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}'
    say '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}' ;;
  *'"resources/subscribe"'*)
    result '{}'
    say '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a"}}' ;;
  *'"result":{"action"'*) say "{\"jsonrpc\":\"2.0\",\"id\":$asking,\"result\":{\"content\":[],\"got\":$line}}" ;;
  *'"error":{"code"'*) say "{\"jsonrpc\":\"2.0\",\"id\":$asking,\"result\":{\"content\":[],\"got\":$line}}" ;;
  *'"name":"junk"'*)
    say 'not a message'; say '{"hello":1}'; say ''; say '{"jsonrpc":"2.0","id":99999,"result":{}}'
    result '{ "content" : [],"n":1.0 }' ;;
  *'"name":"pid"'*) result "{\"pid\":$$}" ;;
  *'"name":"environment"'*) result "{\"home\":\"$HOME\",\"user\":\"$USER\",\"path\":\"$PATH\",\"given\":\"$GIVEN\"}" ;;
  *'"name":"directory"'*) result "{\"pwd\":\"$(pwd)\"}" ;;
  *'"name":"dies"'*) exit 1 ;;
  *'"name":"hang"'*) ;;
  *'"name":"cancelled"'*) result "{\"cancelled\":${cancelled:-null}}" ;;
  *'"name":"child"'*) /bin/sleep 1000 & result "{\"pid\":$!}" ;;
  *'"name":"stubborn"'*) trap '' TERM; result "{\"pid\":$$}" ; while :; do /bin/sleep 1; done ;;
  *'"name":"ask"'*)
    asking=$id
    say '{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{ "message":"m" }}' ;;
  *'"name":"progress"'*)
    say "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":$id,\"progress\":1}}"
    say '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"d"}}'
    result '{"content":[]}' ;;
  *'"name":"huge"'*)
    piece=0123456789abcdef; for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do piece=$piece$piece; done
    result "{\"content\":\"$piece$piece$piece$piece$piece$piece$piece$piece$piece$piece$piece$piece$piece$piece$piece$piece$piece\"}" ;;
  *) result '{"content":[]}' ;;
  esac
done
