package static

import (
	"path"
	"regexp"
	"strings"

	"github.com/vision-platform/trainer-agent/contract"
)

// rule is a form that a line must not have.
type rule struct {
	name, text, fix string
	form            *regexp.Regexp
	severity        string
}

func forbid(name, form, text, fix string) rule {
	return rule{name, text, fix, regexp.MustCompile(form), contract.SeverityError}
}

const (
	ownIndex = "packages would come from another index, where a name can be anybody's"
	useIndex = "take packages of the platform's index, pinned with =="
	outside  = "it is fetched from outside the index, so its bytes are not known beforehand"
	useWheel = "take a release of the package from the index, pinned with =="
	download = "what is downloaded is run without having been looked at"
)

var (
	requirementRules = []rule{
		forbid("install.index", `^\s*(-i\b|--(index-url|extra-index-url)\b|-f\b|--(find-links|trusted-host)\b)`, ownIndex, useIndex),
		forbid("install.build", `--(no-binary|global-option|config-settings?|build-option|use-pep517)\b`, "it makes pip build the package, which runs the package's code while it is installed", "take a wheel"),
		forbid("install.source", `^\s*(-e\b|--editable\b|\.{1,2}(/|\s|\[|$)|/|file:|(git|hg|svn|bzr)\+|https?://)|@\s*(file:|https?://|(git|hg|svn|bzr)\+)|\.(whl|zip|tar\.gz|tgz)(\s|#|$)`, outside, useWheel),
	}
	dockerRules = []rule{
		forbid("install.download", `\b(curl|wget|fetch)\b[^;&]*\|\s*(sudo\s+)?(ba|da|z|k)?sh\b|\b(curl|wget)\b[^;&]*\|\s*(sudo\s+)?(python|perl|ruby|node)[0-9.]*\b|\b(ba|z|k)?sh\s+(-c\s+)?["']?(<\(|\$\()\s*(curl|wget)\b`, download, "install it by the package manager, pinned"),
		forbid("install.download", `(?i)^\s*ADD\s+(--\S+\s+)*(https?|git)[:@]`, download, "put the file into the package"),
		forbid("install.hidden", `base64\s+(-d|--decode|-D)\b[^;&]*\|`, "it runs what base64 hides", "write the commands as they are"),
		forbid("install.index", `\bpip[0-9.]*\s+(install|download|wheel)\b.*(\s-i\s|--(index-url|extra-index-url|trusted-host|find-links)\b)`, ownIndex, useIndex),
		forbid("install.source", `\bpip[0-9.]*\s+(install|download|wheel)\b.*(\s|['"])((git|hg|svn)\+|https?://)`, outside, useWheel),
		forbid("install.rights", `\bchmod\s+(\S+\s+)*(u\+s|\+s|g\+s|[0-7]?[4267][0-7]{3})\b|\bsetcap\b`, "it leaves a program with more rights than its user", "leave the step out"),
	}
	pythonRules = []rule{
		forbid("code.hidden", `\b(exec|eval)\s*\(.*\b(b64decode|b85decode|a85decode|b32decode|unhexlify|fromhex|decompress|marshal\.loads|rot_?13)\b`, "it runs code that is hidden in data", "write the code as it is"),
		forbid("code.hidden", `\b(exec|eval)\s*\(.*(urlopen|requests\.get|httpx\.get|\.recv\s*\()`, "it runs code that it fetches", "put the code into the package"),
		forbid("code.shell", `\bos\.dup2\s*\(\s*\w+\.fileno\s*\(\s*\)|/dev/tcp/`, "it gives a shell to another machine", "leave it out"),
		{"install.while-running", "it installs packages while it runs, which the platform's network does not allow", "name them in requirements.txt",
			regexp.MustCompile(`["']pip["']\s*,\s*["']install["']|\b(os\.system|subprocess\.\w+|Popen)\s*\(\s*f?["'][^"']*\bpip[0-9.]*\s+install\b|\bpip\.main\s*\(|\bensurepip\b`), contract.SeverityWarning},
	}
	// A .pth file of site-packages runs the lines that begin with import; weights of torch
	// have the same suffix and are no text.
	startupRules = []rule{
		forbid("install.startup", `^import[ \t]`, "Python runs this line at every start, before train.py", "put the code into train.py"),
	}
)

// rulesOf are those for a file, by its name.
func rulesOf(name string) []rule {
	base := strings.ToLower(path.Base(name))
	switch {
	case base == "dockerfile" || strings.HasPrefix(base, "dockerfile.") || strings.HasSuffix(base, ".dockerfile"):
		return dockerRules
	case path.Ext(base) == ".sh" || path.Ext(base) == ".bash" || base == "makefile":
		return dockerRules
	case strings.HasPrefix(base, "requirements") && path.Ext(base) == ".txt", base == "constraints.txt":
		return requirementRules
	case path.Ext(base) == ".py" || path.Ext(base) == ".pyw":
		return pythonRules
	case path.Ext(base) == ".pth":
		return startupRules
	}
	return nil
}

// apply tries rules on every line, and joins lines that end in a backslash.
func apply(rules []rule, name string, body []byte) (found []contract.Finding) {
	lines := strings.Split(string(body), "\n")
	for i := 0; i < len(lines); i++ {
		first, line := i, strings.TrimRight(lines[i], "\r")
		for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
			i++
			line = strings.TrimSuffix(line, `\`) + " " + strings.TrimSpace(lines[i])
		}
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, r := range rules {
			if r.form.MatchString(line) {
				found = append(found, contract.Finding{Rule: r.name, Severity: r.severity, File: name, Line: first + 1, Text: r.text, Fix: r.fix})
			}
		}
		if len(found) >= maxFindings {
			break
		}
	}
	return found
}
