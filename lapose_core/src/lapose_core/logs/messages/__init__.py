"""Recordings of messages on topics (MCAP files, ROS 2 bags): what they hold, and a drive made of it.

``log`` says what any such recording offers, ``decoders`` turns a message's bytes into named values, and the other
modules know what the values of one kind of message mean: pictures, video, poses, transforms, cameras, points.
"""
