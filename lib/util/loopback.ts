/** @param host a name or an address, as in a URL (`[::1]`) or without brackets */
export const isLoopback = (host: string): boolean => /^(?:127(?:\.\d{1,3}){3}|::1|\[::1\]|localhost)$/i.test(host);
