package provider

import (
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
)

// roomPrefix begins the token that rolebroker exec gives to its command.
const roomPrefix = "rbx_"

// inRoom returns whether Terraform is the command of rolebroker exec, or runs below
// it. ROLEBROKER_URL and the variables beside it are then those of a port that
// lends AWS roles to the command, and not those of a server.
func inRoom() bool { return strings.HasPrefix(os.Getenv("ROLEBROKER_TOKEN"), roomPrefix) }

// fromEnvironment is the variable; empty in a room, whose variables mean something
// else to the provider.
func fromEnvironment(name string) string {
	if inRoom() {
		return ""
	}
	return os.Getenv(name)
}

// completeInRoom reports the settings that a room does not have. Without them an
// API key could go to the room, or to a server that nobody named.
func (s settings) completeInRoom(diags *diag.Diagnostics) bool {
	if !inRoom() || s.URL.ValueString() != "" && s.Token.ValueString() != "" {
		return true
	}
	at := "url"
	if s.URL.ValueString() != "" {
		at = "token"
	}
	diags.AddAttributeError(path.Root(at), "Terraform runs below rolebroker exec",
		"The variables ROLEBROKER_URL and ROLEBROKER_TOKEN lead to the room of this command, which lends AWS roles and "+
			"has no management API. The provider needs the URL of the server, and an API key. Set both in the provider "+
			"block:\n\n"+
			"  provider \"rolebroker\" {\n    url   = var.rolebroker_url\n    token = var.rolebroker_key\n  }\n\n"+
			"and give the variables to Terraform:\n\n"+
			"  TF_VAR_rolebroker_url=https://rolebroker.example.com TF_VAR_rolebroker_key=rbk_… rolebroker exec -- "+
			"terraform apply")
	return false
}
