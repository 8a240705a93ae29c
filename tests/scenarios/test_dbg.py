from tests.scenarios.test_digest import *
from tests.scenarios.conftest import desk
import asyncio
import storage.schedules as ss
orig=ss.Schedules._turn
def t(self,row,now):
    r=orig(self,row,now)
    if "poll" not in row.name: print("TURN",row.name,now,r)
    return r
ss.Schedules._turn=t
async def test_x(desk):
    async with morning(time(8, 59, 57)) as (clock, made, today), desk(sandbox=made, parts=Parts(clock=clock), rush=True) as w:
        await asyncio.sleep(6)
        print(clock(), await due(w), w.app.rounds.last_fired)
        print(w.staff.room_texts())
        import sqlite3
        print("calls", len(w.sandbox.site.calls)); c=sqlite3.connect(w.database.split("///")[1])
        for r in c.execute("select * from schedules"): print(r)
        for r in c.execute("select id,kind,state,last_error,run_at,payload from work "): print(r)
