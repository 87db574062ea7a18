package setup

// GenericTemplate is a CloudFormation template that makes one role, with everything in parameters: an operator puts it
// into a bucket once, and links of the console fill the parameters in. Their names are part of those links, so they
// stay.
func GenericTemplate() string {
	text := func(about, usual, pattern string) object {
		o := object{{"Type", "String"}, {"Description", about}}
		if usual != "-" {
			o = append(o, member{"Default", usual})
		}
		if pattern != "" {
			o = append(o, member{"AllowedPattern", pattern})
		}
		return o
	}
	const managed = "ARNs of managed policies, with commas between them: all that agents need to do their work"
	const id = `[a-zA-Z0-9+=,.@:/-]`
	parameters := object{
		{"RoleName", text("The name of the IAM role", "-", `[a-zA-Z0-9+=,.@_-]{1,64}`)},
		{"RolePath", text("Its path", "/", `/([!-~]*/)?`)},
		{"Description", text("Its description", "Lent to AI agents by rolebroker", "")},
		{"Principal", text("The AWS identity that may assume it, as rolebroker shows it", "-",
			`arn:aws[a-z-]*:iam::[0-9]{12}:(root|role/[!-~]+|user/[!-~]+)`)},
		{"ExternalId", text("The external ID of the integration, which whoever assumes the role has to send", "-",
			id+"{2,1224}")},
		{"NextExternalId", text("Another one, while the external ID is changed", "", "("+id+"{2,1224})?")},
		{"ManagedPolicyArns",
			object{{"Type", "CommaDelimitedList"}, {"Default", ""}, {"Description", managed}}},
		{"MaxSessionDuration", object{{"Type", "Number"}, {"Default", 3600}, {"MinValue", 3600}, {"MaxValue", 43200},
			{"Description", "How long its sessions can be, in seconds"}}},
	}
	isEmpty := func(value any) object { return object{{"Fn::Equals", []any{value, ""}}} }
	not := func(condition object) object { return object{{"Fn::Not", []any{condition}}} }
	joined := object{{"Fn::Join", []any{"", ref("ManagedPolicyArns")}}}
	ids := object{{"Fn::If", []any{"Changes", []any{ref("ExternalId"), ref("NextExternalId")}, ref("ExternalId")}}}
	policies := object{{"Fn::If", []any{"HasPolicies", ref("ManagedPolicyArns"), ref("AWS::NoValue")}}}
	statement := object{{"Effect", "Allow"}, {"Principal", object{{"AWS", ref("Principal")}}},
		{"Action", texts([]string{assumeRole, tagSession, setSourceIdentity})},
		{"Condition", object{{"StringEquals", object{{"sts:ExternalId", ids}}}}}}
	return pretty(object{
		{"AWSTemplateFormatVersion", "2010-09-09"},
		{"Description", "A role that rolebroker lends to AI agents"},
		{"Parameters", parameters},
		{"Conditions", object{{"Changes", not(isEmpty(ref("NextExternalId")))}, {"HasPolicies", not(isEmpty(joined))}}},
		{"Resources", object{{"Role", object{{"Type", "AWS::IAM::Role"}, {"Properties", object{
			{"RoleName", ref("RoleName")}, {"Path", ref("RolePath")}, {"Description", ref("Description")},
			{"MaxSessionDuration", ref("MaxSessionDuration")},
			{"AssumeRolePolicyDocument", trusting(statement)}, {"ManagedPolicyArns", policies}}}}}}},
		{"Outputs", object{{"RoleArn", object{{"Value", object{{"Fn::GetAtt", []any{"Role", "Arn"}}}}}}}},
	}) + "\n"
}
