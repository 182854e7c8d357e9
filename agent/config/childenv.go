package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/vision-platform/trainer-agent/contract"
)

// ChildEnviron builds the child's environment (contract, section 3): the agent's,
// minus every credential, plus the resolved settings, plus what was prepared.
func (cfg *Config) ChildEnviron(environ []string, extra map[string]string) []string {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if cfg.passes(name, value) && (!isAgentsOwn(name) || slices.Contains(cfg.ChildEnvAllow, name)) {
			env[name] = value
		}
	}
	for name, value := range cfg.Values() {
		if !isAgentsOwn(name) && !isCredential(name) {
			env[name] = value
		}
	}
	if cfg.PassCredentials {
		maps.Copy(env, cfg.storeAccess())
	}
	env["PYTHONUNBUFFERED"] = "1"
	env["CONFIG_JSON"] = settingsJSON(cfg)
	maps.Copy(env, cfg.rendezvous())
	maps.Copy(env, extra)
	for _, name := range []string{"NO_PROXY", "no_proxy"} { // the relay is on loopback
		env[name] = strings.Trim(env[name]+",127.0.0.1,localhost", ",")
	}
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// storeAccess is the store as an SDK finds it (contract, section 3). What was resolved is
// passed, because no SDK reads our files of secrets or R2's names.
func (cfg *Config) storeAccess() map[string]string {
	access := map[string]string{
		"S3_ENDPOINT": string(cfg.S3Endpoint), "BUCKET_NAME": cfg.BucketName, "AWS_ACCESS_KEY_ID": cfg.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": cfg.SecretAccessKey.Reveal(), "AWS_SESSION_TOKEN": cfg.SessionToken.Reveal(),
	}
	maps.DeleteFunc(access, func(_, value string) bool { return value == "" })
	return access
}

// rendezvous is what torchrun reads, under its own names.
func (cfg *Config) rendezvous() map[string]string {
	if cfg.Nodes == 1 {
		return nil
	}
	n, rank, port := strconv.Itoa(cfg.Nodes), strconv.Itoa(cfg.NodeRank), strconv.Itoa(cfg.MasterPort)
	return map[string]string{
		"NNODES": n, "NODE_RANK": rank, "MASTER_ADDR": cfg.MasterAddr, "MASTER_PORT": port,
		"PET_NNODES": n, "PET_NODE_RANK": rank, "PET_MASTER_ADDR": cfg.MasterAddr, "PET_MASTER_PORT": port,
	}
}

// isCredential names what the child never sees: our secrets with their files,
// everything that an AWS SDK or the R2 names could find keys with, and headers
// of the trace exporter.
func isCredential(name string) bool {
	if slices.Contains(SecretNames(), name) || strings.HasPrefix(name, "OTEL_EXPORTER_") {
		return true
	}
	return (strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "R2_") || strings.HasPrefix(name, "MINIO_")) && name != "AWS_REGION"
}

// passes reports whether a variable of the agent's reaches the child.
func (cfg *Config) passes(name, value string) bool {
	if isCredential(name) {
		return cfg.PassCredentials
	}
	return slices.Contains(cfg.ChildEnvAllow, name) || !LooksSecret(name, value)
}

// Withheld names the variables that are kept from the child only for how they look.
func (cfg *Config) Withheld(environ []string) (names []string) {
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); !isCredential(name) && !isAgentsOwn(name) && !cfg.passes(name, value) {
			names = append(names, name)
		}
	}
	return names
}

// secretWords stand in the names of other people's secrets.
var secretWords = []string{"SECRET", "TOKEN", "PASSWORD", "API_KEY", "ACCESS_KEY"}

// LooksSecret reports whether a variable seems to be a secret, by its name or because
// its value is an address with a user in it. A tokenizer is none. A proxy's address may
// come without a scheme: me:word@proxy:3128.
func LooksSecret(name, value string) bool {
	upper := strings.ReplaceAll(strings.ToUpper(name), "TOKENIZER", "")
	named := slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(upper, word) })
	return value != "" && (named || hasUser(value) || strings.HasSuffix(upper, "_PROXY") && upper != "NO_PROXY" && strings.Contains(value, "@"))
}

// hasUser reports whether an address in a text has a user, a password or a token. A
// password may hold the characters that end a host, where nobody has escaped them.
func hasUser(text string) bool {
	for {
		before, rest, found := strings.Cut(text, "://")
		if !found {
			return false
		}
		text = rest
		if end := strings.IndexFunc(rest, unicode.IsSpace); end >= 0 {
			rest = rest[:end]
		}
		user, _, found := cutLast(rest, "@")
		if !found || user == "" {
			continue
		}
		host := strings.IndexAny(user, "/?#") // ends there, where this is no user
		name, password, has := strings.Cut(user, ":")
		web := strings.HasSuffix(before, "http") || strings.HasSuffix(before, "https")
		switch {
		case host < 0 || strings.Contains(rest[:host], "@"):
			return true
		case has && len(name) < host && !web:
			return true
		case has && len(name) < host && strings.Trim(password[:host-len(name)-1], "0123456789") != "": // no port
			return true
		}
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// isAgentsOwn: the agent's knobs and the store's address mean nothing to a trainer that
// is given files. A variable of somebody else's may begin with AGENT_ too.
func isAgentsOwn(name string) bool {
	return strings.HasPrefix(name, "AGENT_") && isKnown(name) || name == "S3_ENDPOINT" || name == "BUCKET_NAME"
}

// settingsJSON is CONFIG_JSON: the job's settings as one flat object, with the
// user's own options under config.
func settingsJSON(cfg *Config) string {
	settings := map[string]json.RawMessage{}
	var part any
	switch {
	case cfg.Job.Training != nil:
		part = cfg.Job.Training
	case cfg.Job.Inference != nil:
		part = cfg.Job.Inference
	default:
		part = cfg.Job.Export
	}
	for _, v := range []any{cfg.Job, part} {
		b, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(b, &settings)
		}
		if err != nil {
			return "{}" // cannot happen: plain structs of ours
		}
	}
	for _, nested := range []string{"training", "inference", "export", "max_training_time"} {
		delete(settings, nested)
	}
	maps.DeleteFunc(settings, func(name string, value json.RawMessage) bool {
		return cfg.LeftToModel(strings.ToUpper(name)) || name != "config" && len(value) > contract.MaxListBytes
	})
	if _, ok := settings["config"]; !ok {
		settings["config"] = json.RawMessage("{}")
	}
	b, err := json.Marshal(settings)
	if err != nil {
		return "{}"
	}
	return string(b)
}
