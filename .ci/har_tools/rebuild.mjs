// Reads {name: HAR} from its input; answers {name: {errors, curl}}: what har-validator finds wrong with each HAR, and the request
// as @readme/httpsnippet writes it for curl.
import { readFileSync } from "node:fs";
import { HTTPSnippet } from "@readme/httpsnippet";
import validator from "har-validator";

const answer = {};
for (const [name, har] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  const errors = await validator.har(har).then(
    () => [],
    (error) => error.errors ?? [String(error)],
  );
  const [{ request }] = har.log.entries;
  // curl counts the rebuilt body itself: JSON is written with other spacing, and a multipart body has another boundary.
  const headers = request.headers.filter(({ name }) => name.toLowerCase() !== "content-length");
  const snippet = new HTTPSnippet({ ...request, headers });
  const converted = snippet.convert("shell", "curl", { escapeBrackets: true });
  answer[name] = { errors, curl: Array.isArray(converted) ? converted[0] : converted };
}
process.stdout.write(JSON.stringify(answer));
