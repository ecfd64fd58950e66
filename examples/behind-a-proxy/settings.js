/** What the application is told by its environment. Nothing has a default that opens anything. */

/** @param {string} name */
function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`\`${name}\` is not set: see README.md`);
  return value;
}

/** The origin of the proxy, which is the application's to browsers. Never taken from a request. */
export const origin = needed("ORIGIN");
/** Where only the proxy can reach it: a socket in a directory that is closed to everybody else. */
export const socket = needed("SOCKET");
export const issuer = needed("ISSUER");
/** The proxy's client id at the identity provider: the audience of the tokens that it passes on. */
export const clientId = needed("CLIENT_ID");
export const hub = needed("HUB");
/** The application's name in the hub's configuration. */
export const app = process.env.APP ?? "wiki";
