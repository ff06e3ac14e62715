/** The receiver of notices. */
export interface Webhook {
  /**
   * @param id sent along, so a receiver can drop duplicates
   * @throws RelayError `webhook-refused`, `webhook-unavailable`
   */
  send(body: unknown, id: string): Promise<void>;
}
