import { describe, expect, it } from "vitest";
import { endpointFrom, locationFrom, locationValue } from "../../../infra/local/defectdojo/importing/place.ts";

describe("the value of a location, as DefectDojo 3.2 writes it", () => {
  it.each([
    ["https://shop.example.com:443/a?b=c#d", "https://shop.example.com/a?b=c#d"],
    ["https://shop.example.com:8443/", "https://shop.example.com:8443"],
    ["HTTPS://UPPER.example.com/Path?Q=A+B%20c#Fr", "https://upper.example.com/Path?Q=A%20B%20c#Fr"],
    ["https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"],
    ["https://x.example.com/a b", "https://x.example.com/a%20b"],
    ["https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"],
    ["//user:pw@host.example.com", "user:@host.example.com"],
    ["//plain.example.com:99/zz", "plain.example.com:99/zz"],
    ["//10.0.0.5", "10.0.0.5"],
    ["tcp://1.2.3.4:22", "tcp://1.2.3.4:22"],
  ])("of %s is %s", (text, value) => {
    const place = locationFrom(text);
    expect(place && locationValue(place)).toBe(value);
  });

  it.each(["https://a.example.com:port/", "https:///path", "https://a.example.com:/", "https://a.example.com:99999/"])(
    "of %s is none: it is skipped",
    (text) => expect(locationFrom(text)).toBeUndefined(),
  );
});

describe("an endpoint, before locations", () => {
  it("has its parts decoded", () => {
    expect(endpointFrom("https://shop.example.com/a%20b?c=d%26#e")).toMatchObject({
      protocol: "https",
      host: "shop.example.com",
      port: 443,
      path: "a b",
      query: "c=d&",
      fragment: "e",
    });
  });

  it("is refused with the words of the real parser", () => {
    expect(() => endpointFrom("nmap:scan://x:scan")).not.toThrow();
    expect(() => endpointFrom("//nmap:scan")).toThrow("expected integer for port, not 'scan'");
  });
});
