import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";

/** A small scan, made for the test: its objects by name, the findings last. */
export interface SmallScan {
  readonly name: string;
  readonly product: string;
  readonly key: string;
  readonly objects: readonly (readonly [name: string, body: string])[];
}

/**
 * Small scans of many products, by turns with and without a raw result that DefectDojo has a parser for. All scans of a product find one thing in
 * common, and each finds another of its own.
 */
export function smallScans(run: string, count: number, products: number): SmallScan[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${run}-scan-${index}`;
    const number = index % products;
    const product = `${run}-product-${number}`;
    const ports = [22, 1_024 + index];
    const native = number % 2 === 0;
    const findings = ports.map((port) => ({
      name: `Open Port: ${port}`,
      severity: "INFORMATIONAL",
      category: "Open Port",
      description: `Port ${port} is open`,
      location: `tcp://${product}.example.com:${port}`,
    }));
    const sidecar = {
      apiVersion: "execution.securecodebox.io/v1",
      kind: "Scan",
      metadata: { name, namespace: "default", annotations: { [`${ANNOTATION_PREFIX}product-name`]: product } },
      spec: { scanType: native ? "nmap" : "ncrack", parameters: [] },
      status: native ? { rawResultType: "nmap-xml", rawResultFile: "nmap-results.xml" } : {},
    };
    const objects: [string, string][] = [
      ["scan.json", JSON.stringify(sidecar)],
      ...(native ? [["nmap-results.xml", nmapXml(product, ports)] as [string, string]] : []),
      ["findings.json", JSON.stringify(findings)],
    ];
    return { name, product, key: `${name}/findings.json`, objects };
  });
}

function nmapXml(host: string, ports: readonly number[]): string {
  const list = ports.map(
    (port) => `<port protocol="tcp" portid="${port}"><state state="open"/><service name="x" method="table"/></port>`,
  );
  return `<?xml version="1.0"?>
<nmaprun scanner="nmap" args="nmap" start="1741593612" version="7.95" xmloutputversion="1.05">
<host><status state="up"/><address addr="203.0.113.10" addrtype="ipv4"/>
<hostnames><hostname name="${host}.example.com" type="user"/></hostnames><ports>${list.join("")}</ports></host>
</nmaprun>
`;
}
