package provider

import (
	"time"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	data "github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringdefault"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/rolebroker/rolebroker"
	"github.com/rolebroker/rolebroker/api"
)

// roleModel is one role of an integration; its name is its key in the map of
// roles. This file has everything that the provider knows about the fields of a
// role: a new field is added here and nowhere else.
type roleModel struct {
	ID              types.String `tfsdk:"id"`
	ARN             types.String `tfsdk:"arn"`
	Region          types.String `tfsdk:"region"`
	Enabled         types.Bool   `tfsdk:"enabled"`
	SessionDuration types.String `tfsdk:"session_duration"`
	Validation      types.Object `tfsdk:"validation"`
}

// request is the role as the server receives it.
func (r roleModel) request(name string) api.RoleRequest {
	return api.RoleRequest{
		ID:              r.ID.ValueString(),
		Name:            name,
		ARN:             r.ARN.ValueString(),
		Region:          r.Region.ValueString(),
		Enabled:         knownBool(r.Enabled),
		SessionDuration: r.SessionDuration.ValueString(),
	}
}

// roleOf is the model of a role. A session duration that is spelled already
// stays as it is if it means the same.
func roleOf(role api.Role, spelled roleModel) roleModel {
	return roleModel{
		ID:              types.StringValue(role.ID),
		ARN:             types.StringValue(role.ARN),
		Region:          types.StringValue(role.Region),
		Enabled:         types.BoolValue(role.Enabled),
		SessionDuration: sameDuration(role.SessionDuration, spelled.SessionDuration),
		Validation:      validationOf(role.Validation),
	}
}

// unknown returns the attributes, by name, that people set and that are not
// known yet.
func (r roleModel) unknown() map[string]bool {
	return map[string]bool{
		"arn":              r.ARN.IsUnknown(),
		"region":           r.Region.IsUnknown(),
		"enabled":          r.Enabled.IsUnknown(),
		"session_duration": r.SessionDuration.IsUnknown(),
	}
}

// roleAttributes are the attributes of a role in the resource.
func roleAttributes() map[string]schema.Attribute {
	return map[string]schema.Attribute{
		"id": schema.StringAttribute{
			Computed:            true,
			MarkdownDescription: aboutRoleID,
		},
		"arn": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: "The full ARN of the IAM role, of any partition, with its path.",
		},
		"region": schema.StringAttribute{
			Required:            true,
			MarkdownDescription: aboutRegion,
		},
		"enabled": schema.BoolAttribute{
			Optional: true, Computed: true, Default: booldefault.StaticBool(true),
			MarkdownDescription: "A disabled role stays in the integration, but no agent gets it. Default: true.",
		},
		"session_duration": schema.StringAttribute{
			Optional: true, Computed: true, Default: stringdefault.StaticString("1h"),
			MarkdownDescription: "How long credentials last: 15m to 12h, as in `90m`. Default: `1h`.",
		},
		"validation": schema.SingleNestedAttribute{
			Computed: true,
			MarkdownDescription: "The result of the last attempt to assume the role; null if there was none since the " +
				"role last changed. The data sources `rolebroker_aws_integration` and `rolebroker_aws_validation` " +
				"also have what differs from one attempt to the next: time, request ID, message and hint.",
			Attributes: map[string]schema.Attribute{
				"status":     schema.StringAttribute{Computed: true, MarkdownDescription: aboutStatus},
				"code":       schema.StringAttribute{Computed: true, MarkdownDescription: aboutCode},
				"checked_by": schema.StringAttribute{Computed: true, MarkdownDescription: aboutCheckedBy},
			},
		},
	}
}

// roleDataModel is a role in the data source.
type roleDataModel struct {
	roleModel
	State types.Object `tfsdk:"state"`
}

// roleDataAttributes are the attributes of a role in the data source.
func roleDataAttributes() map[string]data.Attribute {
	return map[string]data.Attribute{
		"id":               computedString(aboutRoleID),
		"arn":              computedString("The ARN of the IAM role."),
		"region":           computedString(aboutRegion),
		"enabled":          computedBool("No agent gets a disabled role."),
		"session_duration": computedString("How long credentials last."),
		"validation": data.SingleNestedAttribute{
			Computed:            true,
			MarkdownDescription: "The result of the last attempt to assume the role; null if there was none.",
			Attributes:          validationDataAttributes(),
		},
		"state": data.SingleNestedAttribute{
			Computed: true,
			MarkdownDescription: "What is known of the role now: the newest of its validation, the last loan and the " +
				"last refusal.",
			Attributes: stateAttributes(),
		},
	}
}

// stateAttributes are those of the state of a role.
func stateAttributes() map[string]data.Attribute {
	attributes := validationDataAttributes()
	attributes["checked_at"] = computedString("The time of the answer, in RFC 3339; empty if nobody has tried.")
	attributes["from"] = computedString("`validation`, `loan` (an agent got credentials), `refusal` (one did not), or " +
		"empty: nobody has tried.")
	attributes["agent"] = computedString("The name of the agent that got credentials or was refused; may be empty.")
	attributes["since"] = computedString("Since when the role can be assumed, or cannot, in RFC 3339; may be empty.")
	return attributes
}

// validationDataAttributes are all attributes of a validation, in data sources.
func validationDataAttributes() map[string]data.Attribute {
	return map[string]data.Attribute{
		"status":     computedString(aboutStatus),
		"code":       computedString(aboutCode),
		"message":    computedString(aboutMessage),
		"hint":       computedString(aboutHint),
		"request_id": computedString(aboutRequestID),
		"checked_at": computedString(aboutCheckedAt),
		"checked_by": computedString(aboutCheckedBy),
	}
}

// The descriptions that the resource and the data source share.
const (
	aboutRoleID    = "The role's ID in rolebroker. Renaming the role does not change it."
	aboutRegion    = "The region whose STS endpoint is used, and the region that the agent's process finds."
	aboutStatus    = "`assumable`, `warning`, `failed` or `unknown`."
	aboutCode      = "The meaning of AWS's answers, for programs."
	aboutMessage   = "The same in one sentence."
	aboutHint      = "What to do; may be empty."
	aboutRequestID = "The request ID of the AWS answer that decided; may be empty."
	aboutCheckedAt = "The time of the attempt, in RFC 3339."
	aboutCheckedBy = "The name of the runner that tried; empty: the platform did."
)

// roleType and validationType are the types of a role and of its validation, as
// the resource has them. roleDataType and validationDataType are those of the data
// sources.
var (
	roleType           = schema.NestedAttributeObject{Attributes: roleAttributes()}.Type().(types.ObjectType)
	validationType     = roleType.AttrTypes["validation"].(types.ObjectType)
	roleDataType       = data.NestedAttributeObject{Attributes: roleDataAttributes()}.Type().(types.ObjectType)
	validationDataType = roleDataType.AttrTypes["validation"].(types.ObjectType)
	stateType          = roleDataType.AttrTypes["state"].(types.ObjectType)
)

// knownBool is nil for a value that is null or unknown, so that the default
// stands for it.
func knownBool(b types.Bool) *bool {
	if b.IsUnknown() {
		return nil
	}
	return b.ValueBoolPointer()
}

// sameDuration returns a duration as it is spelled already, if that means the
// same.
func sameDuration(duration string, spelled types.String) types.String {
	theirs, err := rolebroker.ParseSessionDuration(duration)
	ours, problem := rolebroker.ParseSessionDuration(spelled.ValueString())
	if err == nil && problem == nil && theirs == ours && !spelled.IsNull() {
		return spelled
	}
	return types.StringValue(duration)
}

// validationOf is a validation in the resource: the part that stays the same while
// the role does.
func validationOf(v *api.Validation) types.Object {
	if v == nil {
		return types.ObjectNull(validationType.AttrTypes)
	}
	return types.ObjectValueMust(validationType.AttrTypes, map[string]attr.Value{
		"status":     types.StringValue(v.Status),
		"code":       types.StringValue(v.Code),
		"checked_by": types.StringValue(v.CheckedBy),
	})
}

// validationDataOf is a validation in the data sources.
func validationDataOf(v *api.Validation) types.Object {
	if v == nil {
		return types.ObjectNull(validationDataType.AttrTypes)
	}
	return types.ObjectValueMust(validationDataType.AttrTypes, map[string]attr.Value{
		"status":     types.StringValue(v.Status),
		"code":       types.StringValue(v.Code),
		"message":    types.StringValue(v.Message),
		"hint":       types.StringValue(v.Hint),
		"request_id": types.StringValue(v.RequestID),
		"checked_at": types.StringValue(v.CheckedAt.UTC().Format(time.RFC3339)),
		"checked_by": types.StringValue(v.CheckedBy),
	})
}

// stateOf is the state of a role in the data source.
func stateOf(s api.RoleState) types.Object {
	return types.ObjectValueMust(stateType.AttrTypes, map[string]attr.Value{
		"status":     types.StringValue(s.Status),
		"code":       types.StringValue(s.Code),
		"message":    types.StringValue(s.Message),
		"hint":       types.StringValue(s.Hint),
		"request_id": types.StringValue(s.RequestID),
		"checked_at": types.StringValue(timeOrNothing(s.CheckedAt)),
		"checked_by": types.StringValue(s.CheckedBy),
		"from":       types.StringValue(s.From),
		"agent":      types.StringValue(s.Agent),
		"since":      types.StringValue(timeOrNothing(s.Since)),
	})
}

// timeOrNothing is a time in RFC 3339; empty if there is none.
func timeOrNothing(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
