mod launch;
mod list;
mod network;
mod rest;
