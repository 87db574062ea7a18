// Lets fauxqs start on a Node.js without SQLite, which it imports and uses only if it is told to keep its queues.
import { isBuiltin, register } from "node:module";

const none = "data:text/javascript,export class DatabaseSync {}";
const hooks = `export async function resolve(name, context, next) {
  return name === "node:sqlite" ? { url: "${none}", shortCircuit: true } : next(name, context);
}`;
if (!isBuiltin("node:sqlite")) register("data:text/javascript," + encodeURIComponent(hooks));
