package command

import (
	"regexp"
	"slices"
	"strings"
)

// Expand replaces $(NAME) in every argument by the value of NAME in env, as the
// kubelet does for a container's command: a name that is not there stays as it
// is written, and $$ is one $, so $$(NAME) is never replaced. Nothing is expanded
// twice. (Kubernetes: third_party/forked/golang/expansion.)
func Expand(args, env []string) []string {
	values := make(map[string]string, len(env))
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			values[name] = value
		}
	}
	expanded := make([]string, len(args))
	for i, arg := range args {
		expanded[i] = expand(arg, values)
	}
	return expanded
}

// Missing are the names that a command asks for as $(NAME) and env does not have.
// Only names in capitals count, as settings are written: a shell's own $(date) is none.
func Missing(args, env []string) (names []string) {
	have := map[string]string{}
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok {
			have[name] = value
		}
	}
	for _, arg := range args {
		for arg != "" {
			_, after, _ := strings.Cut(arg, "$")
			if rest, ok := strings.CutPrefix(after, "$"); ok {
				arg = rest
				continue
			}
			arg = after
			name, _, ok := reference(after)
			if _, known := have[name]; ok && !known && setting.MatchString(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

var setting = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)

func expand(arg string, values map[string]string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(arg, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if rest, ok := strings.CutPrefix(after, "$"); ok {
			out.WriteByte('$')
			arg = rest
			continue
		}
		name, rest, ok := reference(after)
		value, known := values[name]
		switch {
		case ok && known:
			out.WriteString(value)
			arg = rest
		case ok:
			out.WriteString("$(" + name + ")")
			arg = rest
		default:
			out.WriteByte('$')
			arg = after
		}
	}
}

// reference reads "(NAME)rest".
func reference(s string) (name, rest string, ok bool) {
	inner, ok := strings.CutPrefix(s, "(")
	if !ok {
		return "", s, false
	}
	return strings.Cut(inner, ")")
}
