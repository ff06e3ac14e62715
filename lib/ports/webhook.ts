/** Where notices go. */
export interface Webhook {
  /**
   * @param id sent along, so that a receiver can drop what it gets twice
   * @throws RelayError `webhook-refused`, `webhook-unavailable`
   */
  send(body: unknown, id: string): Promise<void>;
}
