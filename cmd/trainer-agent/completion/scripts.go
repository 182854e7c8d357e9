package completion

import _ "embed" // the scripts

// The shells' sides. Each calls "trainer-agent __complete" with the words up to
// the cursor.
var (
	//go:embed trainer-agent.bash
	Bash string
	//go:embed trainer-agent.zsh
	Zsh string
	//go:embed trainer-agent.fish
	Fish string
)
