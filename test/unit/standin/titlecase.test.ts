import { describe, expect, it } from "vitest";
import { titlecase } from "../../../infra/local/defectdojo/importing/titlecase.ts";

describe("titlecase", () => {
  it.each([
    ["open port: 22/tcp", "Open Port: 22/TCP"],
    ["full 1: the quick of a NIST test-case v2 (iOS)", "Full 1: The Quick of a NIST Test-Case V2 (iOS)"],
    ["CVE-2021-42378 busybox 1.31.1-r10", "CVE-2021-42378 Busybox 1.31.1-r10"],
    ["X-CONTENT-TYPE-OPTIONS HEADER MISSING", "X-Content-Type-Options Header Missing"],
    ["SSH-2.0-OpenSSH_7.2p2_ecdh-sha2-nistp256", "SSH-2.0-OpenSSH_7.2p2_ecdh-sha2-nistp256"],
    ["a thing to look at", "A Thing to Look At"],
    ["xss in o'reilly's mcdonald page", "XSS in O'Reilly's McDonald Page"],
    ["", ""],
  ])("makes %j %j", (text, expected) => expect(titlecase(text)).toBe(expected));
});
