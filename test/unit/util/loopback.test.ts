import { expect, it } from "vitest";
import { isLoopback } from "../../../lib/util/loopback.ts";

it.each(["127.0.0.1", "127.255.255.254", "localhost", "LOCALHOST", "::1", "[::1]"])("%s is loopback", (host) =>
  expect(isLoopback(host)).toBe(true),
);

it.each([
  ...["", "0.0.0.0", "::", "10.0.0.1", "127.0.0", "128.0.0.1", "[::1", "::1]"],
  ...["localhost.example.com", "127.0.0.1.example.com", "example.com"],
])("%s is not", (host) => expect(isLoopback(host)).toBe(false));
