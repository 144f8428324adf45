/**
 * Let every style that the page's own scripts add carry the page's nonce.
 *
 * antd hands the nonce to its styles, but two of its helpers (scroll bar measuring of tables, scroll lock of
 * windows) make their style elements without it, and the content security policy would refuse those.
 */
export function giveStylesTheNonce(page: Document, nonce: string | undefined): void {
  if (nonce === undefined || nonce === "") {
    return;
  }
  const create = page.createElement.bind(page) as (
    name: string,
    options?: ElementCreationOptions,
  ) => HTMLElement;
  page.createElement = ((name: string, options?: ElementCreationOptions) => {
    const element = create(name, options);
    if (element instanceof HTMLStyleElement) {
      element.nonce = nonce;
    }
    return element;
  }) as typeof page.createElement;
}
