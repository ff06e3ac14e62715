import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";

interface StoredObject {
  body: Buffer;
  contentType: string | undefined;
}

interface ObjectRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage["headers"];
}

/** A fault: another status with a body, or a lost response to a request that took effect. */
type Fault = { status: number; body?: string; headers?: Record<string, string> } | "lose-answer" | "hang-up";

/** A store behind presigned URLs: a signature is valid for one method, without HEAD. */
export interface PresignedServer {
  readonly url: string;
  readonly objects: Map<string, StoredObject>;
  readonly requests: ObjectRequest[];
  /** Asked before each request. */
  fault: (request: ObjectRequest) => Fault | undefined;
  sign(method: "GET" | "PUT", path: string): string;
  text(path: string): string;
  close(): Promise<void>;
}

export async function startPresignedServer(): Promise<PresignedServer> {
  const objects = new Map<string, StoredObject>();
  const requests: ObjectRequest[] = [];
  const server = createServer((request, response) => void answer(request, response));
  const url = await listen(server, "http");
  const self: PresignedServer = {
    url,
    objects,
    requests,
    fault: () => undefined,
    sign: (method, path) =>
      `${url}${path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host&X-Amz-Signature=${signature(method, path)}`,
    text: (path) => objects.get(path)?.body.toString("utf8") ?? "",
    close: () => close(server),
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const { pathname: path, searchParams, search: query } = new URL(request.url ?? "/", url);
    const method = request.method ?? "";
    const seen = { method, path, query, headers: request.headers };
    requests.push(seen);
    const body = await read(request);
    const fault = self.fault(seen);
    if (fault === "hang-up") return request.socket.destroy();
    if (typeof fault === "object") return response.writeHead(fault.status, fault.headers).end(fault.body);
    if (searchParams.get("X-Amz-Signature") !== signature(method, path)) {
      const document = `<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match.</Message><SignatureProvided>${searchParams.get("X-Amz-Signature")}</SignatureProvided></Error>`;
      return response.writeHead(403, { "content-type": "application/xml" }).end(document);
    }
    if (method === "PUT") {
      if (request.headers["content-length"] === undefined) return response.writeHead(411).end();
      objects.set(path, { body, contentType: request.headers["content-type"] });
      if (fault === "lose-answer") return request.socket.destroy();
      return response.writeHead(200, { etag: `"${md5(body)}"` }).end();
    }
    const found = objects.get(path);
    if (found === undefined) return response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
    response.writeHead(200, { etag: `"${md5(found.body)}"`, "content-length": found.body.length }).end(found.body);
  };
  return self;
}

interface KubeRequest {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | undefined;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** The part of the Kubernetes API that a hook may use: GET of a Scan, PATCH of its status. */
export interface KubeServer {
  readonly url: string;
  readonly port: number;
  readonly requests: KubeRequest[];
  readonly scans: Map<string, Record<string, unknown>>;
  /** Called before each request; returns a status to reject it with. */
  refuse: (request: KubeRequest) => number | undefined;
  patches(): KubeRequest[];
  close(): Promise<void>;
}

export async function startKubeServer(tls?: { key: string; cert: string }): Promise<KubeServer> {
  const scans = new Map<string, Record<string, unknown>>();
  const requests: KubeRequest[] = [];
  const serve = (request: IncomingMessage, response: ServerResponse) => void answer(request, response);
  const server = tls === undefined ? createServer(serve) : https.createServer(tls, serve);
  const url = await listen(server, tls === undefined ? "http" : "https");
  const self: KubeServer = {
    url,
    port: Number(new URL(url).port),
    requests,
    scans,
    refuse: () => undefined,
    patches: () => requests.filter(({ method }) => method === "PATCH"),
    close: () => close(server),
  };

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const text = (await read(request)).toString("utf8");
    const { pathname: path } = new URL(request.url ?? "/", url);
    const seen: KubeRequest = {
      method: request.method ?? "",
      path,
      contentType: request.headers["content-type"],
      authorization: request.headers.authorization,
      body: text === "" ? undefined : JSON.parse(text),
    };
    requests.push(seen);
    const refused = self.refuse(seen);
    const [, namespace, name, status] =
      /^\/apis\/execution\.securecodebox\.io\/v1\/namespaces\/([^/]+)\/scans\/([^/]+)(\/status)?$/.exec(path) ?? [];
    const scan = scans.get(`${namespace}/${name}`);
    const code =
      refused ?? (scan === undefined ? 404 : seen.method === "PATCH" && status === undefined ? 403 : undefined);
    if (code !== undefined) {
      const body = {
        kind: "Status",
        apiVersion: "v1",
        status: "Failure",
        message: `scans "${name}": code ${code}`,
        code,
      };
      return response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
    }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(scan));
  };
  return self;
}

/** A kubeconfig for the fake API; the client rejects plain HTTP unless TLS verification is off. */
export function kubeconfig(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "dev",
    clusters: [{ name: "dev", cluster: { server, "insecure-skip-tls-verify": true } }],
    users: [{ name: "dev", user: { token: "kube-token" } }],
    contexts: [{ name: "dev", context: { cluster: "dev", user: "dev" } }],
  });
}

// --- utils ---

const md5 = (body: Buffer) => createHash("md5").update(body).digest("hex");
const signature = (method: string, path: string) =>
  createHash("sha256").update(`secret ${method} ${path}`).digest("hex");

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function listen(server: Server, scheme: string): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
