# An MCP server on standard input that tells what it was given. One line, one message.
told=null
asked=
while IFS= read -r line; do
  id=${line#*'"id":'}
  id=${id%%,*}
  answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
  case "$line" in
    *'"method":"initialize"'*)
      answer "$id" '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"fixture","version":"1"},"_meta":{"dev.deputy/user":"forged","pid":'$$'}}' ;;
    *'"method":"server/discover"'*)
      printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found","data":{"dev.deputy/reason":"x","kept":1}}}\n' "$id" ;;
    *'"method":"tools/list"'*)
      answer "$id" '{"cacheScope":"public","tools":[{"name":"read_file","_meta":{"dev.deputy/trust":"high"}},{"name":"write_file"},{"name":"hidden"}]}' ;;
    *'"method":"tools/call"'*'"name":"ask"'*)
      asked=$id
      printf '{"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{"message":"sure?"}}\n' ;;
    *'"id":"q1"'*)
      answer "$asked" '{"content":[],"answered":'"$line"'}' ;;
    *'"method":"tools/call"'*'"name":"progress"'*)
      token=${line#*'"progressToken":'}
      token=${token%%[,\}]*}
      printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1}}\n' "$token"
      answer "$id" '{"content":[]}' ;;
    *'"method":"tools/call"'*'"name":"silent"'*) ;;
    *'"method":"tools/call"'*'"name":"exit"'*) exit 0 ;;
    *'"method":"tools/call"'*'"name":"child"'*)
      sleep 1000 &
      answer "$id" '{"pid":'$!'}' ;;
    *'"method":"tools/call"'*'"name":"later"'*)
      (sleep 0.5; printf '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"later"}}\n') &
      answer "$id" '{"content":[]}' ;;
    *'"method":"tools/call"'*'"name":"told"'*) answer "$id" '{"told":'"$told"',"pid":'$$'}' ;;
    *'"method":"notifications/'*) told=$line ;;
    *'"id":'*) answer "$id" '{"content":[],"received":'"$line"',"pid":'$$'}' ;;
  esac
done
