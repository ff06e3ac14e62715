/** @returns undefined for what is no http(s) URL */
export function webUrl(text: string): URL | undefined {
  const parsed = URL.parse(text);
  return parsed !== null && /^https?:$/.test(parsed.protocol) ? parsed : undefined;
}
