package awssim

import "sync"

// operations maps API version and action to the calls of the simulator.
var operations = sync.OnceValue(func() map[string]map[string]*operation {
	return byVersion(
		operation{service: stsAPI, action: "AssumeRole", run: assumeRole},
		operation{service: stsAPI, action: "AssumeRoleWithWebIdentity", run: assumeRoleWithWebIdentity},
		operation{service: stsAPI, action: "GetCallerIdentity", run: getCallerIdentity},
		operation{service: stsAPI, action: "GetSessionToken", run: getSessionToken},

		onIAM("CreateRole", createRole),
		onIAM("GetRole", getRole),
		onIAM("SimulatePrincipalPolicy", simulatePrincipalPolicy),
		onIAM("ListRoles", listRoles),
		onIAM("UpdateRole", updateRole),
		bare("DeleteRole", deleteRole),
		bare("UpdateAssumeRolePolicy", updateAssumeRolePolicy),
		bare("PutRolePolicy", putRolePolicy),
		onIAM("GetRolePolicy", getRolePolicy),
		onIAM("ListRolePolicies", listRolePolicies),
		bare("DeleteRolePolicy", deleteRolePolicy),
		bare("TagRole", tagRole),
		bare("UntagRole", untagRole),
		onIAM("ListRoleTags", listRoleTags),
		bare("AttachRolePolicy", attachRolePolicy),
		bare("DetachRolePolicy", detachRolePolicy),
		onIAM("ListAttachedRolePolicies", listAttachedRolePolicies),
		onIAM("ListInstanceProfilesForRole", nothingOfRole("InstanceProfiles")),

		onIAM("CreateUser", createUser),
		onIAM("GetUser", getUser),
		onIAM("ListUsers", listUsers),
		bare("DeleteUser", deleteUser),
		bare("PutUserPolicy", putUserPolicy),
		onIAM("GetUserPolicy", getUserPolicy),
		onIAM("ListUserPolicies", listUserPolicies),
		bare("DeleteUserPolicy", deleteUserPolicy),
		onIAM("ListAttachedUserPolicies", nothingOfUser("AttachedPolicies")),
		onIAM("ListGroupsForUser", nothingOfUser("Groups")),
		onIAM("CreateAccessKey", createAccessKey),
		onIAM("ListAccessKeys", listAccessKeys),
		bare("DeleteAccessKey", deleteAccessKey),

		onIAM("CreateOpenIDConnectProvider", createProvider),
		onIAM("GetOpenIDConnectProvider", getProvider),
		onIAM("ListOpenIDConnectProviders", listProviders),
		bare("DeleteOpenIDConnectProvider", deleteProvider),

		onEC2("DescribeRegions", describeRegions, "AllRegions"),
		onEC2("DescribeInstances", describeInstances, "InstanceId"),
		onEC2("RunInstances", runInstances, "ImageId", "InstanceType", "MinCount", "MaxCount", "ClientToken"),
		onEC2("TerminateInstances", terminateInstances, "InstanceId"),
	)
})

func byVersion(all ...operation) map[string]map[string]*operation {
	known := map[string]map[string]*operation{stsVersion: {}, iamVersion: {}, ec2Version: {}}
	for _, op := range all {
		known[op.version][op.action] = &op
	}
	return known
}
