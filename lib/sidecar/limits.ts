/** Largest body of a request, in bytes. */
export const bodyBytesMax = 1 << 20;
/** Clients at a time; each has a process that executes its calls. */
export const connectionsMax = 256;
/** Headers of a request, in bytes. */
export const headerBytesMax = 16 * 1024;
/** And their number. */
export const headersMax = 100;
/** A client has so long for the headers of a request. */
export const headersMsMax = 5000;
/** And so long for the whole of it. */
export const requestMsMax = 10_000;
/** A connection that has made no call is closed when nothing happened on it for so long. */
export const idleMsMax = 60_000;
