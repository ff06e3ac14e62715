/** An nmap scan with three open ports: raw result and findings in secureCodeBox's format. */
const PORTS = [
  [22, "ssh"],
  [80, "http"],
  [443, "https"],
] as const;

export const NMAP_XML = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<nmaprun scanner="nmap" args="nmap -oX - scanme.example" start="1569527294" startstr="Thu Sep 26 21:48:14 2019" version="7.80" xmloutputversion="1.04">
<host starttime="1569527294" endtime="1569527302"><status state="up" reason="conn-refused" reason_ttl="0"/>
<address addr="192.0.2.10" addrtype="ipv4"/>
<hostnames><hostname name="scanme.example" type="user"/></hostnames>
<ports>
${PORTS.map(([port, service]) => `<port protocol="tcp" portid="${port}"><state state="open" reason="syn-ack" reason_ttl="0"/><service name="${service}" method="table" conf="3"/></port>`).join("\n")}
</ports>
</host>
<runstats><finished time="1569527302" timestr="Thu Sep 26 21:48:22 2019" elapsed="7.68" exit="success"/><hosts up="1" down="0" total="1"/></runstats>
</nmaprun>
`;

export const UID = "8c3b8c93-8791-487a-ae43-13516f6ceba4";

export const FINDINGS = PORTS.map(([port, service], index) => ({
  id: `00000000-0000-4000-8000-00000000000${index}`,
  name: `Open Port: ${port} (${service})`,
  description: `Port ${port} is open using tcp protocol.`,
  category: "Open Port",
  location: `tcp://scanme.example:${port}`,
  osi_layer: "NETWORK",
  severity: index === 0 ? "LOW" : "INFORMATIONAL",
  attributes: { port, service, hostname: "scanme.example" },
  parsed_at: "2024-11-20T10:05:03.000Z",
}));

/** The Scan as the Kubernetes API has it while hooks run: `finishedAt` comes after them. */
export function scanResource(change: { spec?: object; annotations?: Record<string, string>; status?: object } = {}) {
  return {
    apiVersion: "execution.securecodebox.io/v1",
    kind: "Scan",
    metadata: {
      name: "nmap-scanme",
      namespace: "pentest",
      uid: UID,
      creationTimestamp: "2024-11-20T10:00:00Z",
      annotations: { ...change.annotations },
      ownerReferences: [
        { apiVersion: "execution.securecodebox.io/v1", kind: "ScheduledScan", name: "nmap-daily", uid: "x" },
      ],
    },
    spec: { scanType: "nmap", parameters: ["scanme.example"], ...change.spec },
    status: {
      state: "HookProcessing",
      rawResultType: "nmap-xml",
      rawResultFile: "nmap-results.xml",
      findings: { count: 3, severities: { informational: 2, low: 1 }, categories: { "Open Port": 3 } },
      ...change.status,
    },
  };
}

export const FOLDER = `/securecodebox/scan-${UID}`;
