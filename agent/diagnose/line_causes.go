package diagnose

import (
	"github.com/vision-platform/trainer-agent/agent/diagnose/pattern"
	"github.com/vision-platform/trainer-agent/contract"
)

// lineCauses are what only a plain line tells, when no exception does.
var lineCauses = []cause{
	{ // rich's boxes, of typer, rich-click and tyro
		code: contract.CodeConfigInvalid, like: pattern.Of(`^[│|] ((?:No such (?:option|command)|Missing (?:option|argument|command)|Invalid value for|Got unexpected extra argument|Unrecognized options?|Required options?|Missing from)[^\n│]{0,300}[^\s│])`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`(?:^|: )[Ee]rror: (unrecognized arguments: [^\n]{0,200}|the following arguments are required: [^\n]{0,200}|argument [^\n]{0,200}|No such option:? [^\n]{0,200}|Missing option [^\n]{0,200}|Missing argument [^\n]{0,200}|Invalid value for [^\n]{0,200}|Got unexpected extra argument[^\n]{0,200}|Parser key [^\n]{0,200})`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^ERROR: ((?:The function received no value for the required argument|Could not consume arg|Cannot find key)[^\n]{0,200})`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^(?:no viable alternative at input|mismatched input|token recognition error at|extraneous input) [^\n]{1,200}`),
		message: "An override of the script's configuration can't be read: ${0}.", hint: "Check the trainer's command and its overrides.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`FATAL Flags parsing error: ?([^\n]{1,200})`),
		message: "The training script refused its arguments: ${1}.", hint: "Check the trainer's command.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`python[\d.]*: can't open file '?([^':\n]+)'?`), unless: pattern.Of(`\[Errno (?:1|13)\]`),
		message: "Python was started with a script that is not there: ${1}.", hint: "Check the trainer's command, the scripts that it runs, and what its Dockerfile copies into the image.",
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`^(?:Primary config (?:directory|module) [^\n]{0,160}?not found|Cannot find primary config [^\n]{1,160}?|Error parsing override '[^'\n]{1,160}')(?:\.|$)`),
		message: "Hydra could not put the script's configuration together: ${0}", hint: "Check the trainer's command and its overrides, and that the configuration is in the image.",
	}, { // bash with set -u
		code: contract.CodeConfigInvalid, like: pattern.Of(`: line \d+: ` + secretName + `: (?:unbound variable|parameter not set)`),
		message: "The script needs the variable ${1}, and has not been given it.", hint: withheldHint,
	}, {
		code: contract.CodeConfigInvalid, like: pattern.Of(`: line \d+: (\w{1,100}): (?:unbound variable|parameter not set)`),
		message: "The script needs the variable ${1}, which is not set.", hint: "Set it in the job's settings or in the image.",
	}, {
		code: contract.CodeTrainingFailed, like: processLimit, kind: contract.FailureSystem,
		message: "The container's process limit is reached: ${0}.", hint: processHint,
	},
}
