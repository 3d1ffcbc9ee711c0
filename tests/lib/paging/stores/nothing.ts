/** No store. */
export default 42;
