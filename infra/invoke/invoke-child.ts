import { type Answer, callHandler, type Invocation, loadHandler, toLambdaError } from "./lambda-runtime.ts";

/** Runs in its own process, like a function: imports the bundle and calls its handler once with the parent's event. */
async function answer(path: string, invocation: Invocation): Promise<Answer> {
  try {
    return await callHandler(await loadHandler(path), invocation);
  } catch (error) {
    return { failed: toLambdaError(error), atInit: true };
  }
}

process.once("message", (invocation: Invocation) => {
  // `answer` handles every error itself.
  void answer(process.argv[2] ?? "", invocation).then((one) => process.send?.(one, () => process.exit(0)));
});
