/**
 * What Envoy's own filters cannot do alone, each as a script of its Lua filter. A script answers a request by asking elsewhere first; a
 * route chooses it by name and gives it its parameters as filter context.
 */

/**
 * Ready, as Istio's agent has it: Envoy is live, and clusters and listeners have come from the control plane. Once it was
 * so, a lost control plane changes nothing, and only Envoy's own state is asked for.
 */
const health = `local ready = false
function envoy_on_request(handle)
  local function ask(path)
    local headers, body = handle:httpCall(handle:filterContext():get("admin"), {[":method"] = "GET", [":path"] = path, [":authority"] = "localhost"}, nil, 2000)
    return headers[":status"], body or ""
  end
  if not ready then
    local _, stats = ask("/stats?filter=%5E(server.state|(cluster_manager.cds|listener_manager.lds).update_(success|rejected))$")
    local function has(name) return string.find(stats, name .. ": [1-9]") ~= nil end
    local clusters = has("cds.update_success") or has("cds.update_rejected")
    local listeners = has("lds.update_success") or has("lds.update_rejected")
    if not (string.find(stats, "server.state: 0", 1, true) and clusters and listeners) then
      handle:respond({[":status"] = "503"}, "not ready: clusters " .. (clusters and "received" or "pending") .. ", listeners " .. (listeners and "received" or "pending") .. "\\n")
      return
    end
    ready = true
  end
  local status, body = ask("/ready")
  handle:respond({[":status"] = status}, body)
end
`;

/** The health of a gRPC server, by the call that the kubelet would make. \`frame\` is its request in hexadecimal. */
const grpc = `function envoy_on_request(handle)
  local context = handle:filterContext()
  local frame = string.gsub(context:get("frame"), "..", function(digits) return string.char(tonumber(digits, 16)) end)
  local headers, body = handle:httpCall(context:get("cluster"), {
    [":method"] = "POST", [":path"] = "/grpc.health.v1.Health/Check", [":authority"] = "localhost",
    ["content-type"] = "application/grpc", ["te"] = "trailers"}, frame, tonumber(context:get("timeout_ms")))
  local status = headers["grpc-status"] or "0"
  local serving = headers[":status"] == "200" and status == "0" and body ~= nil and string.sub(body, 6, 7) == "\\8\\1"
  if serving then handle:respond({[":status"] = "200"}, "SERVING\\n")
  else handle:respond({[":status"] = "503"}, "not serving: HTTP status " .. headers[":status"] .. ", gRPC status " .. status .. "\\n") end
end
`;

/** Envoy's metrics behind the application's. An application that does not answer leaves Envoy's. */
const metrics = `function envoy_on_request(handle)
  -- What a handle gives is void after a call: the parameters are read before the first.
  local context = handle:filterContext()
  local admin, cluster, app_path = context:get("admin"), context:get("cluster"), context:get("path")
  local function ask(target, path)
    local headers, body = handle:httpCall(target, {[":method"] = "GET", [":path"] = path, [":authority"] = "localhost",
      ["accept"] = "text/plain;version=0.0.4"}, nil, 10000)
    return headers[":status"], body or ""
  end
  local status, own = ask(admin, "/stats/prometheus")
  if status ~= "200" then handle:respond({[":status"] = "503"}, own) return end
  local app_status, app = ask(cluster, app_path)
  if app_status ~= "200" then app = "" end
  app = string.gsub(app, "# EOF%s*$", "")
  if app ~= "" and string.sub(app, -1) ~= "\\n" then app = app .. "\\n" end
  handle:respond({[":status"] = "200", ["content-type"] = "text/plain; version=0.0.4; charset=utf-8"}, app .. own)
end
`;

/** Ends Envoy, and answers first: the answer of its admin page would be cut off by the end. */
const quit = `function envoy_on_request(handle)
  handle:httpCall(handle:filterContext():get("admin"), {[":method"] = "POST", [":path"] = "/quitquitquit", [":authority"] = "localhost"}, nil, 2000, true)
  handle:respond({[":status"] = "200"}, "OK\\n")
end
`;

/** The scripts by the name that routes choose them by. */
export const scripts = { health, grpc, metrics, quit } as const;

/** The name of a script. */
export type ScriptName = keyof typeof scripts;
