import net from "node:net";
const body = '{"results":[{"value":0}]}\n';
const res = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\ndate: Sat, 21 Nov 2026 16:38:29 GMT\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
net.createServer((s) => { s.on("data", () => { s.write(res, "latin1"); }); }).listen(Deno.args[0]);
