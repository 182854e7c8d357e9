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
	except          *regexp.Regexp // lines that may have it; nil means none
}

func (r rule) matches(line string) bool {
	return r.form.MatchString(line) && (r.except == nil || !r.except.MatchString(line))
}

func (r rule) but(form string) rule {
	r.except = regexp.MustCompile(form)
	return r
}

func forbid(name, form, text, fix string) rule {
	return rule{name: name, text: text, fix: fix, form: regexp.MustCompile(form), severity: contract.SeverityError}
}

const (
	ownIndex = "packages would come from another index, where a name can be anybody's"
	useIndex = "take packages of the platform's index, pinned with =="
	outside  = "it is fetched from outside the index, so its bytes are not known beforehand"
	useWheel = "take a release of the package from the index, pinned with =="
	download = "what is downloaded is run without having been looked at"
)

// otherRules are options that other rules are about.
const otherRules = `-[rc]|-[ife]\b|--(requirement|constraint|index-url|extra-index-url|find-links|trusted-host|editable|no-binary|global-option|config-settings?|build-option|use-pep517)\b`

var (
	requirementRules = []rule{
		forbid("install.index", `^\s*(-i\b|--(index-url|extra-index-url)\b|-f\b|--(find-links|trusted-host)\b)`, ownIndex, useIndex),
		forbid("install.build", `--(no-binary|global-option|config-settings?|build-option|use-pep517)\b|^\s*[A-Za-z0-9][^#]*\s--([^h]|h[^a]|ha[^s]|has[^h])`, "it makes pip build the package, which runs the package's code while it is installed", "take a wheel"),
		forbid("install.source", `^\s*(-e\b|--editable\b|\.{1,2}(/|\s|\[|$)|/|file:|(git|hg|svn|bzr)\+|https?://)|@\s*(file:|https?://|(git|hg|svn|bzr)\+)|\.(whl|zip|tar\.gz|tgz)(\s|#|$)`, outside, useWheel),
		forbid("install.include", `^\s*(-[rc]|--(requirement|constraint)\b)`, "it includes a file that is not looked at, for it is not named as one of requirements", "name every package in requirements.txt").
			but(`(?i)^\s*(-[rc]|--(requirement|constraint))[\s=]*([\w.-]+/)*(requirements[^\s/]*\.txt|constraints\.txt)\s*(\s#.*)?$`),
		// pip takes options shortened and joined to their values (--extra-i, -ihttps://…), so
		// those that may be there are named, and no others.
		forbid("install.option", `^\s*-`, "it is an option of pip that changes what is installed", "leave it out: --hash, --only-binary, --prefer-binary, --require-hashes and --pre may be there").
			but(`^\s*(--(hash|only-binary|prefer-binary|require-hashes|pre|no-index)\b|` + otherRules + `)`),
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
		{name: "install.while-running", text: "it installs packages while it runs, which the platform's network does not allow", fix: "name them in requirements.txt", severity: contract.SeverityWarning,
			form: regexp.MustCompile(`["']pip["']\s*,\s*["']install["']|\b(os\.system|subprocess\.\w+|Popen)\s*\(\s*f?["'][^"']*\bpip[0-9.]*\s+install\b|\bpip\.main\s*\(|\bensurepip\b`)},
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
	case requirements(name):
		return requirementRules
	case path.Ext(base) == ".py" || path.Ext(base) == ".pyw":
		return pythonRules
	case path.Ext(base) == ".pth":
		return startupRules
	}
	return nil
}

// requirements says whether pip reads a file of this name.
func requirements(name string) bool {
	base := strings.ToLower(path.Base(name))
	return strings.HasPrefix(base, "requirements") && path.Ext(base) == ".txt" || base == "constraints.txt"
}

// apply tries rules on every line, or on several that are one.
func apply(rules []rule, name string, body []byte) (found []contract.Finding) {
	lines := strings.Split(strings.TrimPrefix(string(body), byteOrderMark), "\n")
	for i := 0; i < len(lines); i++ {
		first := i
		line, last := joined(name, lines, i)
		i = last
		for _, statement := range statements(name, line) {
			for _, r := range rules {
				if r.matches(statement) {
					found = append(found, contract.Finding{Rule: r.name, Severity: r.severity, File: name, Line: first + 1, Text: r.text, Fix: r.fix})
				}
			}
		}
		if len(found) >= maxFindings {
			break
		}
	}
	return found
}
