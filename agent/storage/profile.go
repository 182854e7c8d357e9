package storage

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/vision-platform/trainer-agent/contract"
)

// profile is what the SDK took from the files that all of a user's programs share,
// ~/.aws/config and ~/.aws/credentials. Trainings of this user can have written them,
// HOME being theirs too: keys, roles, logins and a region are taken from such files, for they
// say who asks; a program, the path of a token and other addresses are not, for by these a
// training would have the agent run its code, or send a token to it.
type profile struct {
	shared config.SharedConfig
	env    config.EnvConfig
	from   []aws.CredentialSource // where the credentials come from, step by step
	region string                 // what the operator set, or the default
}

func profileOf(loaded aws.Config, region string) profile {
	p := profile{region: region}
	for _, source := range loaded.ConfigSources {
		switch s := source.(type) {
		case config.SharedConfig:
			p.shared = s
		case config.EnvConfig:
			p.env = s
		}
	}
	if chain, ok := loaded.Credentials.(aws.CredentialProviderSource); ok {
		p.from = chain.ProviderSources()
	}
	return p
}

// refuse is the failure of a profile that says more than trainings may say.
func (p profile) refuse(store Config) error {
	setting := p.beyond(store.Endpoint)
	if setting == "" {
		return nil
	}
	var open []string
	for _, file := range p.files() {
		if !guarded(file, store.Apart) {
			open = append(open, file)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return contract.Failf(contract.CodeConfigInvalid, "the profile in %s sets %s, which the agent does not take from a file that a training can have written.", strings.Join(open, " and "), setting).
		WithHint("Take the line away if you did not write it. Otherwise give the credentials by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (aws configure export-credentials --format env), " +
			"by AWS_WEB_IDENTITY_TOKEN_FILE or by the machine's role, and addresses and regions by their AWS_ variables. " +
			"Or set AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE to files in folders that only root can write to.")
}

// beyond names a setting that counts here and says more than who asks, or "".
func (p profile) beyond(endpoint string) string {
	has := func(sources ...aws.CredentialSource) bool {
		return slices.ContainsFunc(sources, func(s aws.CredentialSource) bool { return slices.Contains(p.from, s) })
	}
	switch {
	case has(aws.CredentialSourceProcess):
		return "credential_process"
	case has(aws.CredentialSourceProfileSTSWebIDToken):
		return "web_identity_token_file"
	case p.shared.CustomCABundle != "" && p.env.CustomCABundle == "" && p.asked():
		return "ca_bundle"
	case p.shared.EC2IMDSEndpoint != "" && p.env.EC2IMDSEndpoint == "" && has(aws.CredentialSourceIMDS):
		return "ec2_metadata_service_endpoint"
	case p.redirects() && p.asked():
		return "endpoint_url"
	case endpoint == "" && p.env.Region == "" && p.shared.Region != "" && partition(p.shared.Region) != partition(p.region):
		return "region=" + p.shared.Region + ", where a bucket of this name is another one's"
	}
	return ""
}

// asked reports whether a service has to give the credentials.
func (p profile) asked() bool {
	return slices.ContainsFunc(p.from, func(s aws.CredentialSource) bool {
		return s != aws.CredentialSourceEnvVars && s != aws.CredentialSourceProfile && s != aws.CredentialSourceProfileSourceProfile
	})
}

// redirects reports whether services would be asked at other addresses.
func (p profile) redirects() bool {
	if ignored := p.env.IgnoreConfiguredEndpoints; ignored != nil && *ignored {
		return false
	}
	for _, service := range p.shared.Services.ServiceValues {
		if service["endpoint_url"] != "" {
			return true
		}
	}
	return p.shared.BaseEndpoint != ""
}

// files are those that the SDK reads.
func (p profile) files() []string {
	return []string{
		cmp.Or(p.env.SharedConfigFile, config.DefaultSharedConfigFilename()),
		cmp.Or(p.env.SharedCredentialsFile, config.DefaultSharedCredentialsFilename()),
	}
}

// partition names the part of AWS with buckets and accounts of its own that a region is in.
func partition(region string) string {
	for _, prefix := range []string{"cn-", "us-gov-", "us-iso-", "us-isob-", "us-isof-", "eu-isoe-", "eusc-"} {
		if strings.HasPrefix(region, prefix) {
			return prefix
		}
	}
	return "aws"
}

// guarded reports whether no training can have written a file, or made it where it is
// missing: it and the folders above it, by its name and by where that leads, are root's, or
// this user's where trainings are apart from it. Modes count also where Landlock would not
// let a training in: an earlier one may have run without.
func guarded(path string, apart bool) bool {
	if os.Geteuid() == 0 && !apart {
		return false
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		real = abs
	}
	for _, at := range []string{abs, real} {
		for ; ; at = filepath.Dir(at) {
			if info, err := os.Lstat(at); err == nil && !others(info, apart) || err != nil && !os.IsNotExist(err) {
				return false
			}
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	return true
}

// others reports whether a file is nothing that trainings may change.
func others(info os.FileInfo, apart bool) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	const writable = 0o022
	mine := apart && int(st.Uid) == os.Geteuid()
	return (st.Uid == 0 || mine) && (info.Mode()&os.ModeSymlink != 0 || info.Mode()&writable == 0)
}
