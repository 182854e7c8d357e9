package logline

import "strings"

// Split takes off the prefix by which a launcher says which process printed a
// line. Known are torch's "[rank0]:" and torchrun's "[default0]:" and "[trainer1]:",
// mpirun's "[1,3]<stderr>:", Horovod's "[3]<stderr>:" and Ray's "(train_fn pid=12, ip=10.0.0.1)". Without one
// the process is "".
func Split(l string) (process, text string) {
	trimmed := strings.TrimLeft(l, " ")
	if len(trimmed) < 3 {
		return "", l
	}
	switch trimmed[0] {
	case '[':
		inside, rest, ok := strings.Cut(trimmed[1:], "]")
		if !ok || len(inside) > 40 {
			return "", l
		}
		if stream, ok := cutAny(rest, "<stderr>:", "<stdout>:"); ok && mpiRank(inside) {
			return inside, stream
		}
		if rest, ok := strings.CutPrefix(rest, ":"); ok && namedRank(inside) {
			if strings.HasPrefix(inside, "rank") { // torch puts a space behind it, torchrun none
				rest = strings.TrimPrefix(rest, " ")
			}
			return inside, rest
		}
	case '(':
		inside, rest, ok := strings.Cut(trimmed[1:], ")")
		if ok && len(inside) < 120 && strings.Contains(inside, " pid=") {
			return inside, strings.TrimPrefix(rest, " ")
		}
	}
	return "", l
}

func cutAny(s string, prefixes ...string) (string, bool) {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(s, p); ok {
			return rest, true
		}
	}
	return s, false
}

// namedRank: letters, then digits: rank0, default12, trainer1.
func namedRank(s string) bool {
	word := strings.TrimRight(s, "0123456789")
	if word == "" || word == s {
		return false
	}
	return strings.IndexFunc(word, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' && r != '-' }) < 0
}

// mpiRank: job and rank, "1,3", or Horovod's rank alone.
func mpiRank(s string) bool {
	job, rank, ok := strings.Cut(s, ",")
	return digits(job) && (!ok || digits(rank))
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
