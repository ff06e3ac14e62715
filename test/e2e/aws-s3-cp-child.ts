/** `aws s3 cp FILE s3://BUCKET/KEY`, for machines without the AWS CLI. */
import { readFileSync } from "node:fs";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { s3Client } from "../../lib/aws/clients.ts";

const [s3, cp, file = "", to = ""] = process.argv.slice(2);
const [, bucket, key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(to) ?? [];
if (s3 !== "s3" || cp !== "cp" || bucket === undefined || key === undefined)
  throw new Error(`not known: ${process.argv.slice(2)}`);
const endpoint = process.env["AWS_ENDPOINT_URL_S3"];
const client = s3Client(
  { AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: endpoint, AWS_ENDPOINT_URL_SQS: undefined },
  {},
);
await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: readFileSync(file) }));
process.stdout.write(`upload: ./${file} to ${to}\n`);
