import { requireSuperuser } from "../auth.ts";
import { contains, exact, filtered } from "../filters.ts";
import { type Call, forbidden, type Reply } from "../http.ts";
import type { User } from "../model.ts";
import { paged } from "../paging.ts";
import type { State } from "../state.ts";

/** Users without saved contact info have none, as after DefectDojo's first start. */
export function userProfile(state: State, call: Call): Reply {
  const contactInfo = state.settings.blockExecution ? { user: call.user.id, block_execution: true } : null;
  return { status: 200, body: { user: serialize(call.user), user_contact_info: contactInfo } };
}

export function listUsers(state: State, call: Call): Reply {
  requireSuperuser(call.user, forbidden());
  const users = filtered<User>(call, state.users, {
    username: exact((u) => u.username),
    first_name: contains((u) => u.first_name),
    last_name: contains((u) => u.last_name),
    email: exact((u) => u.email),
  });
  return paged(call, users, serialize);
}

function serialize(user: User): object {
  return {
    id: user.id,
    username: user.username,
    first_name: user.first_name,
    last_name: user.last_name,
    email: user.email,
    date_joined: user.date_joined,
    last_login: null,
    is_active: true,
    is_staff: user.is_staff,
    is_superuser: user.is_superuser,
    token_last_reset: null,
    password_last_reset: null,
    configuration_permissions: [],
  };
}
