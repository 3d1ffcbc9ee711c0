/** Shells that we know. */
export const shells = ["bash", "zsh", "fish"] as const;
/** One of {@link shells}. */
export type Shell = typeof shells[number];

/** The scripts ask `nodeos __complete WORDS...`, which answers one proposal a line from the commands' own help. */
export const scripts: Readonly<Record<Shell, string>> = {
  bash: `_nodeos() {
  local IFS=$'\\n'
  COMPREPLY=( $(nodeos __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1) )
}
complete -o default -F _nodeos nodeos`,
  zsh: `#compdef nodeos
_nodeos() {
  local -a proposals
  proposals=( "\${(@f)$(nodeos __complete "\${(@)words[2,CURRENT]}" 2>/dev/null | sed 's/:/\\\\:/g; s/\\t/:/')}" )
  _describe nodeos proposals || _files
}
compdef _nodeos nodeos`,
  fish: `complete -c nodeos -a "(nodeos __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)"`,
};
