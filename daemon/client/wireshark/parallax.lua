-- Parallax: what a slice says of a packet, as fields for columns and filters. Written by `parallax wireshark install`.
--
-- A slice has one interface for each port, described as "outside, toward inside", and the same packet id on all sightings of a
-- packet. In one pass a sighting knows those before it. In Wireshark's packet list, and with `tshark -2 -Y frame`, it knows all of
-- them: without a filter tshark has no fields in its first pass.

local parallax = Proto("parallax", "Parallax")
local fields = {
  point = ProtoField.string("parallax.point", "Point", "Where on the path the packet was seen"),
  direction = ProtoField.string("parallax.direction", "Direction", "Toward which side it went"),
  leg = ProtoField.string("parallax.leg", "Leg", "The conversation at this point: its point and Wireshark's number for it"),
  sightings = ProtoField.uint32("parallax.sightings", "Sightings", base.DEC, nil, nil, "How often the packet was seen"),
  transit = ProtoField.relative_time("parallax.transit", "Transit",
    "From the sighting before this one; of the first: to the next one"),
  fate = ProtoField.string("parallax.fate", "Fate", "What the device did: lost, injected, altered, duplicated, reordered"),
}
parallax.fields = fields

local frame_number = Field.new("frame.number")
local frame_time = Field.new("frame.time_epoch")
local packet_id = Field.new("frame.packet_id")
local description = Field.new("frame.interface_description")
local comment = Field.new("frame.comment")
local tcp_stream = Field.new("tcp.stream")
local udp_stream = Field.new("udp.stream")

-- By packet id, its sightings in the order of the file: frame number, time, point.
local packets = {}

function parallax.init()
  packets = {}
end

-- Other programs describe interfaces, too.
local directions = { ["toward inside"] = true, ["toward outside"] = true, ["both directions"] = true }

local function sightings_of(id, number, time, point)
  local sightings = packets[id] or {}
  packets[id] = sightings
  for place, sighting in ipairs(sightings) do
    if sighting.number == number then return sightings, place end
  end
  sightings[#sightings + 1] = { number = number, time = time, point = point }
  return sightings, #sightings
end

-- Between neighbours of the list that are at different points.
local function transit_of(sightings, place)
  local here = sightings[place]
  for before = place - 1, 1, -1 do
    if sightings[before].point ~= here.point then return here.time - sightings[before].time end
  end
  for after = place + 1, #sightings do
    if sightings[after].point ~= here.point then return sightings[after].time - here.time end
  end
end

local function fate_of(text)
  local fates = {}
  for fate, where in text:gmatch("parallax: (%l+) (%l+) device") do
    if where == "in" or where == "by" then fates[#fates + 1] = fate end
  end
  return table.concat(fates, ", ")
end

function parallax.dissector(_, _, tree)
  local described = description()
  if described == nil then return end
  local point, direction = tostring(described.value):match("^(.*), ([^,]+)$")
  if point == nil or not directions[direction] then return end
  local subtree = tree:add(parallax)
  subtree:add(fields.point, point):set_generated()
  subtree:add(fields.direction, direction):set_generated()

  local stream = tcp_stream() or udp_stream()
  if stream ~= nil then subtree:add(fields.leg, point .. " " .. tostring(stream.value)):set_generated() end

  local id = packet_id()
  if id ~= nil then
    local sightings, place = sightings_of(tostring(id.value), frame_number().value, frame_time().value, point)
    subtree:add(fields.sightings, #sightings):set_generated()
    local transit = transit_of(sightings, place)
    if transit ~= nil then subtree:add(fields.transit, transit):set_generated() end
  else
    subtree:add(fields.sightings, 1):set_generated()
  end

  local said = comment()
  local fate = said ~= nil and fate_of(tostring(said.value)) or ""
  if fate ~= "" then subtree:add(fields.fate, fate):set_generated() end
end

register_postdissector(parallax)
