package scan

import (
	"slices"
	"strings"
)

// waivable are the rules that judge what a file might do: a person who reads it may know better.
// What is not here stays an error whoever says otherwise: malware, what makes an archive unsafe to
// unpack, keys of a known form, which are live until their owner revokes them, how pip is told to
// install, and that a package must train.
var waivable = []string{"code.hidden", "code.shell", "package.native", "pickle.code", "secret.generic-api-key"}

// Waivable says whether the operator may let a finding of a rule pass.
func Waivable(rule string) bool {
	return strings.HasPrefix(rule, "vulnerability.") || slices.Contains(waivable, rule)
}
